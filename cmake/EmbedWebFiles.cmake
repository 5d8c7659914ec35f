# cmake -DFOLDER=serve/web -DOUTPUT=web_files.cc -P EmbedWebFiles.cmake: the files of a folder as arrays of a C++ source (serve/http/web_files.h).
file(GLOB _files RELATIVE ${FOLDER} ${FOLDER}/*.html ${FOLDER}/*.js ${FOLDER}/*.css ${FOLDER}/*.svg)
list(SORT _files)
set(_number 0)
foreach(_file ${_files})
  file(READ ${FOLDER}/${_file} _hex HEX)
  file(SHA256 ${FOLDER}/${_file} _sum)
  string(LENGTH "${_hex}" _digits)
  math(EXPR _size "${_digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," _bytes "${_hex}")
  string(APPEND _arrays "constexpr unsigned char kFile${_number}[] = {${_bytes}0x00};\n")
  string(APPEND _rows
         "    {\"${_file}\", {reinterpret_cast<const char*>(kFile${_number}), ${_size}}, \"\\\"${_sum}\\\"\"},\n")
  math(EXPR _number "${_number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/EmbedWebFiles.cmake.
#include \"serve/http/web_files.h\"

namespace fluke::serve {
namespace {

${_arrays}
}  // namespace

std::span<const WebFile> WebFiles() {
  static const WebFile files[] = {
${_rows}  };
  return files;
}

}  // namespace fluke::serve
")
