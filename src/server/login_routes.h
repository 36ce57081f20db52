#pragma once

#include "server/router.h"

namespace millrace {

/// Serve /login: a form that asks for `auth.token`, and puts it into a cookie, which every call of our pages
/// then carries. `/login?token=…` does the same without a form.
void add_login_routes(Router& router);

/// Send a person who opened the page `path` without the token to the form, which leads back to it.
HttpResponse to_login(std::string_view path);

}  // namespace millrace
