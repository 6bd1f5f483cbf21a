# rows of web/ go here
