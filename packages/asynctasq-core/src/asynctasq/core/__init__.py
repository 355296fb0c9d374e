"""Import paths of earlier documentation; everything here stands elsewhere."""
