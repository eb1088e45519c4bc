# Reads the version from include/broadside/version.h, the one place where it stands.
include_guard(GLOBAL)

# broadside_read_version(out header): "MAJOR.MINOR.PATCH". Fails if the header's text and numbers differ.
function(broadside_read_version out header)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
  file(READ "${header}" text)
  set(numbers "")
  foreach(part MAJOR MINOR PATCH)
    string(REGEX MATCH "#define BROADSIDE_VERSION_${part} ([0-9]+)" line "${text}")
    list(APPEND numbers "${CMAKE_MATCH_1}")
  endforeach()
  list(JOIN numbers "." version)
  if(NOT text MATCHES "#define BROADSIDE_VERSION \"${version}\"")
    message(FATAL_ERROR "${header}: BROADSIDE_VERSION is not \"${version}\", as its numbers say")
  endif()
  set(${out} "${version}" PARENT_SCOPE)
endfunction()
