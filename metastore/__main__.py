"""``python -m metastore`` is the command line."""

from metastore_command import main

if __name__ == "__main__":
    main()
