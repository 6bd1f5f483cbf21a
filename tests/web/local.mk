# rows of tests/web/ go here
