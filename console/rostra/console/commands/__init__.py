"""The commands, a module for each family. `main` imports the one that is called, and no other."""
