"""Prints the path of an ADBC driver's library.

usage: adbc_driver.py PACKAGE    such as adbc_driver_sqlite
"""

import importlib.util
import pathlib
import sys

(package,) = sys.argv[1:]
folder = pathlib.Path(importlib.util.find_spec(package).origin).parent
(library,) = folder.glob("lib*.so")
print(library)
