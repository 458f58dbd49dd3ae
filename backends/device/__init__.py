"""The process of one device, and what it shares with the stage that starts it: protocol, runtimes' base, clip files.

It may run under the Python that CANN's `acl` belongs to, so everything here, in `inference/runtimes` and in
`ascend/acl` takes the standard library and NumPy alone, in syntax that Python 3.7 reads.
"""
