# rows of store/ go here
