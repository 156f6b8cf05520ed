"""`dlmap slides`: a lecture as slides, made from its stored notebook. Nothing is executed.

`deck` says what belongs together on a slide, `build` puts the deck and all it needs into a folder. How much
fits is measured where it is shown: `static/deck.js` divides what is too tall before reveal.js takes over.
"""
