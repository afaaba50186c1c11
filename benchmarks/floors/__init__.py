"""What the same work costs with nothing but pyzmq, sqlite3, a C compiler and the standard library."""
