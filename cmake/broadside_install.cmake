# What `cmake --install` puts where. Component `dev`: the public headers, the libraries, what CMake and pkg-config find them by.
# Component `server`: the program and its pages; and, only if it is asked for by name (a package does), the service with its
# configuration and user, which have fixed places.
include_guard(GLOBAL)
include(CMakePackageConfigHelpers)

set(cmake_folder "${CMAKE_INSTALL_LIBDIR}/cmake/broadside")
install(DIRECTORY include/broadside TYPE INCLUDE COMPONENT dev FILES_MATCHING PATTERN "*.h")
install(TARGETS ${broadside_engine_library} broadside_sse EXPORT broadsideTargets
  ARCHIVE COMPONENT dev LIBRARY COMPONENT dev NAMELINK_COMPONENT dev)
install(EXPORT broadsideTargets NAMESPACE broadside:: DESTINATION "${cmake_folder}" COMPONENT dev)

# While the major version is 0, a minor one may break its users.
configure_package_config_file(cmake/broadsideConfig.cmake.in "${PROJECT_BINARY_DIR}/broadsideConfig.cmake"
  INSTALL_DESTINATION "${cmake_folder}" NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/broadsideConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/broadsideConfig.cmake" "${PROJECT_BINARY_DIR}/broadsideConfigVersion.cmake"
  cmake/Findliburing.cmake DESTINATION "${cmake_folder}" COMPONENT dev)

# broadside_install_pc(name DESCRIPTION d LIBS flags [REQUIRES packages])
function(broadside_install_pc pc_name)
  cmake_parse_arguments(PARSE_ARGV 1 pc "" "DESCRIPTION;LIBS;REQUIRES" "")
  set(folder "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
  file(RELATIVE_PATH pc_prefix "/prefix/${folder}" /prefix)
  configure_file(cmake/broadside.pc.in "${pc_name}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${pc_name}.pc" DESTINATION "${folder}" COMPONENT dev)
endfunction()

# Where there is only an archive, everybody links what it needs.
if(BROADSIDE_SHARED)
  broadside_install_pc(broadside DESCRIPTION "${PROJECT_DESCRIPTION}" LIBS "-lbroadside")
else()
  broadside_install_pc(broadside DESCRIPTION "${PROJECT_DESCRIPTION}" LIBS "-lbroadside -lstdc++ -lm -pthread" REQUIRES liburing)
endif()
broadside_install_pc(broadside_sse DESCRIPTION "Server-Sent Events codec" LIBS "-lbroadside_sse -lstdc++")

install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/libbroadside-dev" RENAME copyright COMPONENT dev)
if(TARGET broadside)
  install(TARGETS broadside COMPONENT server)
  install(FILES README.md CHANGELOG.md docs/OPERATING.md docs/WIRE.md TYPE DOC COMPONENT server)
  install(FILES LICENSE TYPE DOC RENAME copyright COMPONENT server)
  install(FILES packaging/broadside.service DESTINATION /lib/systemd/system COMPONENT server EXCLUDE_FROM_ALL)
  install(FILES packaging/broadside.sysusers.conf DESTINATION /usr/lib/sysusers.d RENAME broadside.conf COMPONENT server EXCLUDE_FROM_ALL)
  install(FILES docs/broadside.example.toml DESTINATION /etc/broadside RENAME broadside.toml COMPONENT server EXCLUDE_FROM_ALL)
endif()
