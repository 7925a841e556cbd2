"""What files say about their pictures: EXIF, XMP, IPTC and texts, as bytes, with few exceptions.

Metadata travel as they are. What must change (the orientation, once pixels are upright; our own
provenance) is changed in place, so that maker notes and whatever else we know nothing of survive.
What cannot travel becomes a note for the manifest: nothing is lost silently.

    read     jpeg, png, webp, jp2: read(file) -> Embedded; tiff: read(file, page), read_pages(file)
    change   outgoing: for_output(metadata, provenance, ...) -> Metadata
    write    jpeg, png, webp, jp2: insert(encoded, output, embedded) -> notes;
             tiff: insert(file, pages) -> notes of each page
    audit    xmp: read_provenance(packet) -> Provenance

Encoders write files without metadata; these modules put them in at the level of segments, chunks,
boxes and directories, copying the pixels' bytes. Files are hostile: sizes are taken from a budget
before anything is allocated, and damage raises `limits.DamagedMetadata` or becomes a note.
"""
