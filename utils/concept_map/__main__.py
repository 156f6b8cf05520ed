from utils import paths
from utils.concept_map import stills

for name, picture in stills().items():
    paths.atomic_write(paths.DATA / name, picture)
