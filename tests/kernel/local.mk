# rows of tests/kernel/ go here
