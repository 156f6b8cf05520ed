"""The workshop behind the course; no notebook imports it.

`sources` turns a written source into a notebook, `execute` runs notebooks in fresh kernels, `build` keeps
the stored notebooks in step with their sources, `batch` runs lectures with other parameters and gathers their
claims, `gates` says what is wrong with a notebook.
"""
