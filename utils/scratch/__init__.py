"""What lectures build in front of the reader and later ones use again.

Each file can be read in one sitting, says which lecture built it, and is tested against the library.
"""
