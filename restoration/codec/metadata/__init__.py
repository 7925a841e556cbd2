"""What files say about their pictures: EXIF, XMP, IPTC and texts, as bytes, with few exceptions.

Metadata travel as they are. What must change (the orientation, once pixels are upright; our own
provenance) is changed in place, so that maker notes and whatever else we know nothing of survive.
"""
