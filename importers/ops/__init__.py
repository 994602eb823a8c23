"""One module per family of operators; each function lowers one operator to the instructions of the program."""
