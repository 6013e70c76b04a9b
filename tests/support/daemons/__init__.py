"""Foreign BGP daemons in the laboratory: see daemon.py."""
