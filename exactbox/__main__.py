"""``python -m exactbox``: the same program as the ``exactbox`` command."""

from exactbox.cli import main

if __name__ == "__main__":
    main()
