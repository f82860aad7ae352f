"""What runs apart from the package: the judge of mathematics in a process of its own, the inside of the sandbox."""
