"""`python -m hilbench` is the command `hilbench`."""

from hilbench.cli import main

if __name__ == "__main__":
    main()
