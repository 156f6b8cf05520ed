"""`dlmap site`: the course as web pages, made from the stored notebooks. Nothing is executed.

`course` reads the notebooks, `lectures` makes a page of each, `pages` the others (the map, the glossary, the
claims, the surprises), `guide` the facilitator's; `build` hands them to Sphinx and puts the result in place.
Every page works from a file, without a server and without a network.
"""
