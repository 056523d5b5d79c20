# Writes OUT, C++ that holds FILE (see embed.cmake).
cmake_minimum_required(VERSION 3.25)
file(READ ${FILE} hex HEX)
# 16 bytes a line.
string(REPEAT "[0-9a-f]" 32 line)
string(REGEX REPLACE "(${line})" "\\1\n" hex "${hex}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," hex "${hex}")
file(WRITE ${OUT}
  "#include \"ram/xray/page_files.h\"\n"
  "namespace ram::page_files {\n"
  "namespace {\nconstexpr char kBytes[] = {\n${hex}\n};\n}\n"
  "std::string_view ${FUNCTION}() { return {kBytes, sizeof(kBytes)}; }\n"
  "}\n")
