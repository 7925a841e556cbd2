"""How fast the whole job is and each part of it, against what the machine can do."""
