// SPDX-License-Identifier: Apache-2.0
//
// The one place where Boost.Asio's and Boost.Beast's separately compiled parts are built.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
