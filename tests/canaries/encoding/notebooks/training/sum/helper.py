"""x"""

name = "é"
