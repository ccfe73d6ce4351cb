# stoker_embed_files(<output.cpp> HEADER <header> NAMESPACE <namespace> TYPE <type>
#                    FUNCTION <function> FILES <file>... NAMES <name>...)
# Makes a source that holds the files as text. The header, below src/, declares in the namespace a
# struct of that type, whose members are a name and a text, and the function that returns a span of
# them.
#
# The second half is what runs at build time:
# cmake -DOUTPUT=... -DHEADER=... -DNAMESPACE=... -DTYPE=... -DFUNCTION=... -DFILES=<path>|<path>...
#       -DNAMES=<name>|<name>... -P EmbedFiles.cmake

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(stoker_embed_script ${CMAKE_CURRENT_LIST_FILE})
  function(stoker_embed_files output)
    cmake_parse_arguments(arg "" "HEADER;NAMESPACE;TYPE;FUNCTION" "FILES;NAMES" ${ARGN})
    string(REPLACE ";" "|" files "${arg_FILES}")
    string(REPLACE ";" "|" names "${arg_NAMES}")
    add_custom_command(OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DHEADER=${arg_HEADER}
        -DNAMESPACE=${arg_NAMESPACE} -DTYPE=${arg_TYPE} -DFUNCTION=${arg_FUNCTION}
        "-DFILES=${files}" "-DNAMES=${names}" -P ${stoker_embed_script}
      DEPENDS ${arg_FILES} ${stoker_embed_script} VERBATIM)
  endfunction()
  return()
endif()

string(REPLACE "|" ";" FILES "${FILES}")
string(REPLACE "|" ";" NAMES "${NAMES}")
set(entries "")
foreach(file name IN ZIP_LISTS FILES NAMES)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"stoker_text(${text})stoker_text\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

namespace ${NAMESPACE} {

std::span<const ${TYPE}> ${FUNCTION}() {
  static constexpr ${TYPE} kFiles[] = {
${entries}  };
  return kFiles;
}

}  // namespace ${NAMESPACE}
")
