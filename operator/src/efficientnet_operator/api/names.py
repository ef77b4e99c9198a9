"""The names under which Kubernetes knows the resource."""

from typing import Final

GROUP: Final = "efficientnet.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "efficientnet.dev/v1alpha1"
KIND: Final = "EfficientNetJob"
LIST_KIND: Final = "EfficientNetJobList"
PLURAL: Final = "efficientnetjobs"
SINGULAR: Final = "efficientnetjob"
SHORT_NAMES: Final = ("enj",)
