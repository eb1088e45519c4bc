# CPack's two Debian packages: `broadside`, the server as a service, and `libbroadside-dev`, what programs that embed the engine are
# built with. packaging/build_deb builds them from a build of their own; `cpack` in any other build folder packs what is there.
include_guard(GLOBAL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME broadside)
set(CPACK_PACKAGE_VENDOR "The Broadside authors")
set(CPACK_PACKAGE_CONTACT "The Broadside authors <broadside@localhost>" CACHE STRING "Maintainer of the packages")
# Each package has a summary of its own.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL server dev)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME broadside)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION httpd)
set(CPACK_DEBIAN_SERVER_PACKAGE_SHLIBDEPS ON)
# Beside its libraries: whatever makes the service's user.
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers")
set(CPACK_DEBIAN_SERVER_DESCRIPTION "Server-Sent Events fan-out server
Takes an event once and puts it on very many open HTTP connections, with
resume, history, and a declared policy for those that cannot keep up.
This package has the program and runs it as a service.")
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/debian/conffiles"
  "${PROJECT_SOURCE_DIR}/packaging/debian/postinst" "${PROJECT_SOURCE_DIR}/packaging/debian/prerm"
  "${PROJECT_SOURCE_DIR}/packaging/debian/postrm")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME libbroadside-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS liburing-dev)
set(CPACK_DEBIAN_DEV_DESCRIPTION "Server-Sent Events fan-out engine, to embed
Headers and static library of Broadside: a C++ program publishes to very many
browsers by a function call, without a second server. The codec of Server-Sent
Events is a library of its own. CMake and pkg-config find both.")

include(CPack)
