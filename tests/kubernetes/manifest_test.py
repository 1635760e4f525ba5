#!/usr/bin/python3
"""The Kubernetes manifests of docs/kubernetes fit the schema beside this file, what they refer to is
there, and the programs' flags in them are flags that a job has.

Usage: manifest_test.py SCHEMA JOB MANIFEST...
"""
import copy
import json
import re
import subprocess
import sys
import unittest

import jsonschema
import yaml

SCHEMA, JOB, *MANIFESTS = sys.argv[1:]
del sys.argv[1:]


def load(path):
    with open(path, encoding="utf-8") as file:
        return [each for each in yaml.safe_load_all(file) if each is not None]


def pods(objects):
    return [each["spec"]["template"]["spec"] for each in objects if "template" in each["spec"]]


class ManifestTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(SCHEMA, encoding="utf-8") as file:
            cls.validator = jsonschema.Draft7Validator(json.load(file))
        cls.objects = [each for path in MANIFESTS for each in load(path)]

    def test_every_object_fits_the_schema(self):
        self.assertGreaterEqual(len(self.objects), 4)
        for each in self.objects:
            errors = [error.message for error in self.validator.iter_errors(each)]
            self.assertEqual(errors, [], each["metadata"]["name"])

    def test_the_schema_refuses_what_kubernetes_would(self):
        deployment = next(each for each in self.objects if each["kind"] == "Deployment")
        for spoil in (lambda x: x["spec"].pop("selector"),
                      lambda x: x["spec"]["template"]["spec"].update(contaners=[]),
                      lambda x: x["metadata"].update(name="Not_A_Name"),
                      lambda x: x["spec"].update(replicas="3"),
                      lambda x: x.update(apiVersion="apps/v1beta1")):
            spoiled = copy.deepcopy(deployment)
            spoil(spoiled)
            self.assertFalse(self.validator.is_valid(spoiled))

    def test_selectors_volumes_and_claims_name_what_is_there(self):
        names = {(each["kind"], each["metadata"]["name"]) for each in self.objects}
        labels = [each["spec"]["template"]["metadata"]["labels"] for each in self.objects
                  if "template" in each["spec"]]
        for each in self.objects:
            selector = each["spec"].get("selector")
            if selector:
                wanted = selector.get("matchLabels", selector).items()
                self.assertTrue(any(wanted <= have.items() for have in labels), each)
        for pod in pods(self.objects):
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            for container in pod["containers"]:
                for mount in container["volumeMounts"]:
                    self.assertIn(mount["name"], volumes)
            for volume in volumes.values():
                claim = volume.get("persistentVolumeClaim")
                if claim:
                    self.assertIn(("PersistentVolumeClaim", claim["claimName"]), names)

    def test_the_arguments_are_flags_of_the_program(self):
        text = subprocess.run([JOB, "--help"], capture_output=True, text=True, check=True).stdout
        flags = set(re.findall(r"--?[a-z][a-z-]*", text))
        for pod in pods(self.objects):
            for argument in pod["containers"][0]["args"]:
                if argument.startswith("-"):
                    self.assertIn(argument.split("=")[0], flags)


if __name__ == "__main__":
    unittest.main()
