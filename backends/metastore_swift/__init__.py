"""OpenStack Swift for fsspec: ``swift://container/name``.

Needs fsspec and urllib3, and keystoneauth1 where Keystone is asked; nothing of `metastore`. fsspec finds it by itself where
it is installed; elsewhere ``fsspec.register_implementation("swift", SwiftFileSystem)`` does.
"""

from metastore_swift._filesystem import SwiftFileSystem
from metastore_swift._reader import SwiftReader
from metastore_swift._writer import SwiftWriter

__all__ = ["SwiftFileSystem", "SwiftReader", "SwiftWriter"]
