"""Rows of scores: an append-only file of one checked record a clip. Written by infer, read by score.

A record is the clip's number (int64), a CRC-32 of number and values, and the class logits (float32), little-endian.
A row counts once it is synced; a torn or damaged record ends the file at the last good one when it is taken up again.
"""
