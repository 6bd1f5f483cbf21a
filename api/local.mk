# rows of api/ go here
