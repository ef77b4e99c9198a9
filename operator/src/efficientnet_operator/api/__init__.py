"""The EfficientNetJob resource: its models, and what is generated from them.

The pydantic models are the one source of the resource.  ``crd`` turns them
into the CustomResourceDefinition, ``docs`` into a page of documentation,
``validation`` checks a manifest offline with the words of the API server.
The rest of the operator reads jobs through ``parsing.parse_job`` only. Nothing is imported here:
who needs the names alone does not wait for the models.
"""
