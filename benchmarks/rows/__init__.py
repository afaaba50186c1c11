"""The measurements, by subject: each gives its cases, which `measure` runs in turns."""
