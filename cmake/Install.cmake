# Install and find_package(stoker).
# libdnnl and its shims go into a folder of their own: a libimf.so in /usr/local/lib would be found
# by programs that want Intel's.

include(CMakePackageConfigHelpers)
set(stoker_config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/stoker)
set(stoker_private_libdir ${CMAKE_INSTALL_LIBDIR}/stoker)

install(TARGETS stoker EXPORT stokerTargets)
install(DIRECTORY include/stoker DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(EXPORT stokerTargets NAMESPACE stoker:: DESTINATION ${stoker_config_dir})
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(STOKER_ONEDNN_BUNDLED)
  install(PROGRAMS ${stoker_libdnnl} DESTINATION ${stoker_private_libdir} RENAME libdnnl.so.3)
  if(stoker_shims)
    add_dependencies(stoker ${stoker_shims})
    install(TARGETS ${stoker_shims} LIBRARY DESTINATION ${stoker_private_libdir})
  endif()
  foreach(file IN ITEMS LICENSE THIRD-PARTY-PROGRAMS)
    install(FILES ${stoker_onednn_root}/share/doc/onednn/${file} OPTIONAL
      DESTINATION ${CMAKE_INSTALL_DOCDIR}/onednn)
  endforeach()
endif()

if(stoker_use_cuda AND NOT BUILD_SHARED_LIBS)
  install(FILES ${stoker_cudart} DESTINATION ${stoker_private_libdir})
endif()

configure_package_config_file(cmake/stokerConfig.cmake.in stokerConfig.cmake
  INSTALL_DESTINATION ${stoker_config_dir}
  PATH_VARS stoker_private_libdir)
write_basic_package_version_file(stokerConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/stokerConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/stokerConfigVersion.cmake
  cmake/AudioFiles.cmake
  cmake/ImageFiles.cmake
  cmake/ModelFiles.cmake
  cmake/Terminal.cmake
  DESTINATION ${stoker_config_dir})
