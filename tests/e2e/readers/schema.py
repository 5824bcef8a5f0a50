"""Validates YAML files by a JSON Schema, as an editor does. Prints a line for each file: its name, and what is wrong, if anything.

usage: schema.py SCHEMA FOLDER
"""

import json
import sys
from pathlib import Path

import jsonschema
from ruamel.yaml import YAML

schema = json.loads(Path(sys.argv[1]).read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for path in sorted(Path(sys.argv[2]).glob("*.yaml")):
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text())
    except Exception as error:
        print(f"{path.stem}: no YAML: {type(error).__name__}")
        continue
    error = jsonschema.exceptions.best_match(validator.iter_errors(document))
    print(f"{path.stem}: {'ok' if error is None else ' '.join(f'{error.json_path} {error.message}'.split())[:200]}")
