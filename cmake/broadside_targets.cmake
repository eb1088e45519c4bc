# How targets are made here: the flags of each layer, sources found by folder, header checks, embedded files. All of it holds for
# this folder alone: a project that adds it keeps its own settings.
include_guard(GLOBAL)

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)

if(BROADSIDE_SANITIZE)
  # vptr needs RTTI, which base, proto and engine do without.
  add_compile_options("-fsanitize=${BROADSIDE_SANITIZE}" -fno-sanitize-recover=all -fno-sanitize=vptr -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${BROADSIDE_SANITIZE}" -fno-sanitize=vptr)
endif()

# Warnings are for us: not for whoever builds this as a part of something else, whose compiler may be one we have not met.
if(NOT PROJECT_IS_TOP_LEVEL)
  set(CMAKE_COMPILE_WARNING_AS_ERROR OFF)
endif()

# Warnings of our own code. `-Wno-restrict`: g++ 12 sees overlaps in std::string's operator+ that are not there (GCC PR 105651).
# `-Wno-missing-field-initializers`: named arguments may leave out what has a default.
function(broadside_compile_options target)
  if(NOT PROJECT_IS_TOP_LEVEL)
    return()
  endif()
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Wpedantic -Wno-missing-field-initializers
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
endfunction()

# Tests are held to fewer warnings: GoogleTest's macros compare what we would not.
function(broadside_test_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wno-sign-compare -Wno-missing-field-initializers
    $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
endfunction()

# Every file below FOLDER that matches PATTERN, but what EXCLUDE begins with.
function(broadside_find out)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER;PATTERN" "EXCLUDE")
  file(GLOB_RECURSE found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${arg_FOLDER}/${arg_PATTERN}")
  foreach(excluded IN LISTS arg_EXCLUDE)
    list(FILTER found EXCLUDE REGEX "^${PROJECT_SOURCE_DIR}/${excluded}(/|$)")
  endforeach()
  list(FILTER found EXCLUDE REGEX "/node_modules/")
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# broadside_add_layer(name FOLDERS f... [EXCLUDE f...] HEADER_FOLDERS f... [EMBEDDABLE])
# The static library broadside_<name>. EMBEDDABLE layers do without exceptions and RTTI, and end up in libbroadside: position
# independent, since it may become a part of a shared library, and with all hidden but what BROADSIDE_API marks.
function(broadside_add_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "EMBEDDABLE" "" "FOLDERS;EXCLUDE;HEADER_FOLDERS")
  set(target broadside_${name})
  set(sources "")
  set(headers "")
  foreach(folder IN LISTS arg_FOLDERS)
    broadside_find(found FOLDER ${folder} PATTERN "*.cc" EXCLUDE ${arg_EXCLUDE})
    list(APPEND sources ${found})
  endforeach()
  foreach(folder IN LISTS arg_HEADER_FOLDERS)
    broadside_find(found FOLDER ${folder} PATTERN "*.h" EXCLUDE ${arg_EXCLUDE})
    list(APPEND headers ${found})
  endforeach()
  if(NOT sources)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/empty/${target}.cc" CONTENT "// ${target} has no sources yet.\n")
    set(sources "${PROJECT_BINARY_DIR}/empty/${target}.cc")
  endif()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
  broadside_compile_options(${target})
  if(arg_EMBEDDABLE)
    target_compile_options(${target} PRIVATE -fno-exceptions -fno-rtti -fno-semantic-interposition)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # Beside our compiler's intermediate code, which the program is linked from: broadside_add_public_library() leaves it out.
    target_compile_options(${target} PRIVATE $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_INTERPROCEDURAL_OPTIMIZATION}>>:-ffat-lto-objects>)
  endif()
  if(headers)
    target_sources(${target} PUBLIC FILE_SET internal_headers TYPE HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}" FILES ${headers})
    set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  endif()
endfunction()

# The public headers, checked with the layer that everything else stands on.
function(broadside_add_public_headers target)
  file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/include/broadside/*.h")
  if(headers)
    target_sources(${target} PUBLIC FILE_SET public_headers TYPE HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers})
    set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  endif()
endfunction()

# broadside_add_public_library(target STATIC|SHARED NAME n EXPORT e OBJECTS o... [LIBRARIES l...])
# A library for other programs, in the root of the build folder: lib<n>, and broadside::<e> where it is installed. Headers of the
# libraries it needs are nobody else's.
function(broadside_add_public_library target type)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "NAME;EXPORT" "OBJECTS;LIBRARIES")
  add_library(${target} ${type} ${arg_OBJECTS})
  target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
  target_include_directories(${target} INTERFACE "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_compile_features(${target} INTERFACE cxx_std_20)
  # Below 1.0 every minor version may break the ABI.
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX OUTPUT_NAME ${arg_NAME} EXPORT_NAME ${arg_EXPORT}
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}" LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
  if(type STREQUAL SHARED)
    set(exports "${PROJECT_SOURCE_DIR}/cmake/broadside.map")
    target_link_options(${target} PRIVATE "LINKER:--version-script,${exports}")
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${exports}")
  endif()
  # Another version of the compiler could not read our intermediate code, and would refuse the whole archive for it.
  if(type STREQUAL STATIC AND CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_custom_command(TARGET ${target} POST_BUILD VERBATIM
      COMMAND "${CMAKE_STRIP}" -R ".gnu.lto_*" -R ".gnu.debuglto_*" -N __gnu_lto_slim -N __gnu_lto_v1 "$<TARGET_FILE:${target}>")
  endif()
endfunction()

# broadside_embed(target namespace glob...): the files' bytes as constants of that namespace, `page.html` as kPageHtml and
# kPageHtmlBytes. hub/page.h and examples/support/program.h declare them.
function(broadside_embed target namespace)
  set(inputs "")
  foreach(pattern IN LISTS ARGN)
    file(GLOB found CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${pattern}")
    list(APPEND inputs ${found})
  endforeach()
  set(output "${PROJECT_BINARY_DIR}/generated/embedded_${target}.cc")
  set(script "${PROJECT_SOURCE_DIR}/cmake/embed.cmake")
  string(REPLACE ";" "|" joined "${inputs}")
  add_custom_command(OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DINPUTS=${joined}" "-DOUTPUT=${output}" "-DNAMESPACE=${namespace}" -P "${script}"
    DEPENDS ${inputs} "${script}" COMMENT "Embedding the page" VERBATIM)
  target_sources(${target} PRIVATE "${output}")
endfunction()

# broadside_add_programs(prefix FOLDER f [EXCLUDE f...] LIBRARIES l...): every *.cc of the folder is a program of its own,
# `<prefix>_<file name>`, and has the page.html of its own folder in it, if there is one.
function(broadside_add_programs prefix)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "FOLDER" "EXCLUDE;LIBRARIES")
  broadside_find(sources FOLDER ${arg_FOLDER} PATTERN "*.cc" EXCLUDE ${arg_EXCLUDE})
  foreach(source IN LISTS sources)
    get_filename_component(stem "${source}" NAME_WE)
    set(target ${prefix}_${stem})
    add_executable(${target} "${source}")
    broadside_compile_options(${target})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${prefix}")
    target_link_libraries(${target} PRIVATE ${arg_LIBRARIES})
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
    cmake_path(GET source PARENT_PATH folder)
    if(EXISTS "${folder}/page.html")
      file(RELATIVE_PATH page "${PROJECT_SOURCE_DIR}" "${folder}/page.html")
      broadside_embed(${target} ${prefix} "${page}")
    endif()
  endforeach()
endfunction()
