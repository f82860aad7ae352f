#!/usr/bin/env bash
# Gradescope runs this once, as it builds the image.
set -euo pipefail
apt-get update -qq && apt-get install -y -qq python3 python3-pip
python3 -m pip install --quiet --break-system-packages torch numpy || python3 -m pip install --quiet torch numpy
