# rows of tests/layers/ go here
