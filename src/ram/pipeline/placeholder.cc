namespace ram {}
