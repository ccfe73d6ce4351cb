// What devices say of their memory, and how the simulated one runs out of it.
#include <gtest/gtest.h>

#include <string>

#include "device/device.h"

namespace stoker::device {
namespace {

TEST(DeviceMemory, BuffersTakeWhatTheyAskForAndGiveItBack) {
  const auto device = make_simulated_device({.memory_bytes = 1000});
  ASSERT_TRUE(device->memory());
  EXPECT_EQ(device->memory()->total, 1000);
  EXPECT_EQ(device->memory()->free, 1000);
  {
    const auto a = device->allocate(600);
    const auto b = device->allocate(300);
    EXPECT_EQ(a->bytes(), 600u);
    EXPECT_EQ(device->memory()->free, 100);
  }
  EXPECT_EQ(device->memory()->free, 1000);
}

TEST(DeviceMemory, WhatDoesNotFitIsRefusedAndTakesNothing) {
  const auto device = make_simulated_device({.memory_bytes = 1000});
  const auto a = device->allocate(600);
  try {
    device->allocate(401);
    FAIL() << "expected OutOfMemory";
  } catch (const OutOfMemory& error) {
    EXPECT_EQ(std::string(error.what()),
              "simulated: out of memory: no 401 bytes for a buffer (free: 400 of 1000)");
  }
  EXPECT_EQ(device->memory()->free, 400);
  const auto b = device->allocate(400);
  EXPECT_EQ(device->memory()->free, 0);
}

TEST(DeviceMemory, PinnedMemoryIsTheHosts) {
  const auto device = make_simulated_device({.memory_bytes = 1000});
  const auto pinned = device->allocate_pinned(2000);
  EXPECT_EQ(device->memory()->free, 1000);
}

TEST(DeviceMemory, WithoutALimitItIsNotKnown) { EXPECT_FALSE(make_simulated_device({})->memory()); }

TEST(DeviceMemory, OfTheHostIsWhatTheKernelSays) {
  const auto memory = make_cpu_device()->memory();
  ASSERT_TRUE(memory);
  EXPECT_GT(memory->free, 0);
  EXPECT_LT(memory->free, memory->total);
}

}  // namespace
}  // namespace stoker::device
