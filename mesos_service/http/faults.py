"""Requests that no route answers, in Mesos' words."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mesos_service.http.answers import Answer, text_answer
from mesos_service.http.asgi import HeaderName
from mesos_service.http.calls import BROKEN


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for these alone"
    if error.status_code == 404:
        return text_answer(404, "404 Not Found.")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        methods = ", ".join(f"'{method}'" for method in sorted(allowed.replace(" ", "").split(",")))
        text = f"405 Method Not Allowed. Expecting one of {{ {methods} }}, but received '{request.method}'."
        refusal = text_answer(405, text)
        return Answer(405, text.encode(), [(HeaderName(b"Allow"), allowed.encode()), *refusal.raw_headers])
    return text_answer(error.status_code, str(error.detail))


async def _misunderstood(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError), "registered for these alone"
    reasons = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()]
    return text_answer(400, "; ".join(reasons) + "\n")


async def _broken(request: Request, error: Exception) -> Response:
    """Starlette raises the error again behind the answer, and the server logs it."""
    del request, error
    return text_answer(500, BROKEN)


def answer_faults(application: FastAPI) -> None:
    """Let ``application`` refuse as Mesos does: plain text, and 400 for parameters that make no sense."""
    application.add_exception_handler(HTTPException, _refused)
    application.add_exception_handler(RequestValidationError, _misunderstood)
    application.add_exception_handler(Exception, _broken)
