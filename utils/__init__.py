"""What the notebooks of the course import, and the tools that build and run them.

A notebook says `from utils import data, plots`; `import utils` alone loads nothing heavy.
"""
