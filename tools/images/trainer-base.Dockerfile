# Stand-in for python:3.7-slim where no registry can be reached: Debian and a Python 3.7
# that was built elsewhere (the build context is its prefix, see build.sh).
ARG DEBIAN_IMAGE
FROM ${DEBIAN_IMAGE}
# The libraries that CPython's extension modules load.
RUN apt-get update -q \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
      libbz2-1.0 libexpat1 libffi8 libgdbm6 liblzma5 libncursesw6 libnsl2 \
      libreadline8 libsqlite3-0 libssl3 libtirpc3 libuuid1 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc /usr/share/man
COPY . /usr/local/
# An interpreter of another C library fails here, and not in the middle of a training.
RUN ldconfig && cd / \
 && python3.7 -c "import bz2, ctypes, hashlib, lzma, readline, sqlite3, ssl, uuid, zlib"
