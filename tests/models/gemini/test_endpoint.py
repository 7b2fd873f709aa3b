"""Where a connection goes, and as whom: by arguments and environment."""

from __future__ import annotations

import pytest

from fullduplex.errors import InvalidConfig
from fullduplex.google_login import AccessToken
from fullduplex.models.gemini.endpoint import Endpoint, Options, find_endpoint

MODEL = "gemini-live-2.5-flash"
KEY = {"GOOGLE_API_KEY": "key-1"}
VERTEX = {
    "GOOGLE_GENAI_USE_VERTEXAI": "TRUE",
    "GOOGLE_CLOUD_PROJECT": "p",
    "GOOGLE_CLOUD_LOCATION": "europe-west4",
}
TOKEN = AccessToken("t-1")


def find(environment: dict[str, str], model: str = MODEL, options: Options | None = None) -> Endpoint:
    return find_endpoint(options or Options(), model, environment)


def test_a_key_alone_means_the_gemini_api() -> None:
    endpoint = find(KEY)
    assert endpoint.backend == "gemini"
    assert endpoint.url() == (
        "wss://generativelanguage.googleapis.com/ws/"
        "google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    )
    assert dict(endpoint.headers())["x-goog-api-key"] == "key-1"
    assert endpoint.model_path(MODEL) == f"models/{MODEL}"
    assert endpoint.model_path(f"models/{MODEL}") == f"models/{MODEL}"


def test_alpha_on_demand_and_version_by_option() -> None:
    assert ".v1alpha." in find(KEY).url(alpha=True)
    chosen = find(KEY, options=Options(api_version="v1beta"))
    assert ".v1beta." in chosen.url(alpha=True)


def test_ephemeral_token() -> None:
    endpoint = find({"GOOGLE_API_KEY": "auth_tokens/abc"})
    assert endpoint.url().endswith(
        "google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"
    )
    headers = dict(endpoint.headers())
    assert headers["Authorization"] == "Token auth_tokens/abc"
    assert "x-goog-api-key" not in headers


@pytest.mark.spec(82)
def test_one_app_two_environments_two_endpoints() -> None:
    gemini = find({**KEY, "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:1", "GOOGLE_VERTEX_BASE_URL": "http://no"})
    vertex = find({**VERTEX, "GOOGLE_VERTEX_BASE_URL": "http://127.0.0.1:2", "GOOGLE_GEMINI_BASE_URL": "http://no"})
    assert (gemini.backend, gemini.base) == ("gemini", "ws://127.0.0.1:1")
    assert (vertex.backend, vertex.base) == ("vertex", "ws://127.0.0.1:2")


def test_vertex() -> None:
    endpoint = find(VERTEX)
    assert endpoint.url(alpha=True) == (
        "wss://europe-west4-aiplatform.googleapis.com/ws/"
        "google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
    )
    assert endpoint.auth == "login"
    headers = dict(endpoint.headers(AccessToken("t-1", quota_project="payer")))
    assert headers["Authorization"] == "Bearer t-1"
    assert headers["x-goog-user-project"] == "payer"
    assert "x-goog-user-project" not in dict(endpoint.headers(TOKEN))
    path = f"projects/p/locations/europe-west4/publishers/google/models/{MODEL}"
    assert endpoint.model_path(MODEL, TOKEN) == path
    assert endpoint.model_path(f"models/{MODEL}", TOKEN) == path
    assert endpoint.model_path(f"publishers/google/models/{MODEL}", TOKEN) == path
    assert endpoint.model_path(path, TOKEN) == path


@pytest.mark.parametrize(
    ("environment", "backend"),
    [
        ({}, "gemini"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "true"}, "vertex"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "1"}, "vertex"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": "FALSE"}, "gemini"),
        ({"GOOGLE_GENAI_USE_VERTEXAI": ""}, "gemini"),
        ({"GOOGLE_GENAI_USE_ENTERPRISE": "TRUE"}, "vertex"),
        ({"GOOGLE_GENAI_USE_ENTERPRISE": "FALSE", "GOOGLE_GENAI_USE_VERTEXAI": "TRUE"}, "gemini"),
    ],
)
@pytest.mark.spec(82)
def test_the_switch(environment: dict[str, str], backend: str) -> None:
    assert find({**KEY, "GOOGLE_CLOUD_PROJECT": "p", **environment}).backend == backend


def test_arguments_stand_before_the_environment() -> None:
    assert find({**VERTEX, **KEY}, options=Options(vertexai=False)).backend == "gemini"
    assert (
        find(KEY, options=Options(vertexai=True, project="q", location="us-central1"))
        .url()
        .startswith("wss://us-central1-aiplatform.googleapis.com/")
    )
    assert (
        find({**KEY, "GOOGLE_GEMINI_BASE_URL": "http://no"}, options=Options(base_url="https://a.b/c/"))
        .url()
        .startswith("wss://a.b/c/ws/google.ai")
    )
    assert dict(find(KEY, options=Options(api_key="mine")).headers())["x-goog-api-key"] == "mine"


def test_a_name_with_a_project_is_vertex() -> None:
    name = f"projects/other/locations/us-east4/publishers/google/models/{MODEL}"
    endpoint = find({}, model=name)
    assert endpoint.backend == "vertex"
    assert endpoint.base == "wss://us-east4-aiplatform.googleapis.com"
    assert endpoint.model_path(name, TOKEN) == name


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_places_that_are_no_region(location: str, host: str) -> None:
    assert find({**VERTEX, "GOOGLE_CLOUD_LOCATION": location}).base == f"wss://{host}"


def test_vertex_with_a_key_and_no_project() -> None:
    endpoint = find({"GOOGLE_GENAI_USE_VERTEXAI": "TRUE", **KEY})
    assert endpoint.auth == "key"
    assert dict(endpoint.headers())["x-goog-api-key"] == "key-1"
    assert endpoint.model_path(MODEL) == f"publishers/google/models/{MODEL}"
    # A project in the environment stands before a key in the environment, and behind a key that was given.
    assert find({**VERTEX, **KEY}).auth == "login"
    assert find(VERTEX, options=Options(api_key="mine")).auth == "key"


def test_the_login_may_know_the_project() -> None:
    endpoint = find({"GOOGLE_GENAI_USE_VERTEXAI": "TRUE", "GOOGLE_CLOUD_LOCATION": "l"})
    assert (
        endpoint.model_path("m", AccessToken("t", project="q")) == "projects/q/locations/l/publishers/google/models/m"
    )
    with pytest.raises(InvalidConfig, match="GOOGLE_CLOUD_PROJECT"):
        endpoint.model_path("m", TOKEN)


def test_no_key() -> None:
    with pytest.raises(InvalidConfig, match="GOOGLE_API_KEY") as caught:
        find({})
    assert caught.value.code == "no_credentials"


@pytest.mark.parametrize(
    "url",
    ["ftp://a", "a.b", "127.0.0.1:9000", "http://", "http://a:99999", "https://a?key=s3cret", "https://user:s3cret@a"],
)
def test_a_base_url_that_cannot_be_one(url: str) -> None:
    with pytest.raises(InvalidConfig, match="base URL") as caught:
        find(KEY, options=Options(base_url=url))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("ws://h:1", "ws://h:1"),
        ("wss://h/", "wss://h"),
        (" HTTP://h:80 ", "ws://h:80"),
        ("http://[::1]:9", "ws://[::1]:9"),
    ],
)
def test_schemes(url: str, base: str) -> None:
    assert find(KEY, options=Options(base_url=url)).base == base


def test_a_key_from_a_file_may_end_in_a_newline_but_not_hold_one() -> None:
    assert dict(find({"GOOGLE_API_KEY": " key-1\n"}).headers())["x-goog-api-key"] == "key-1"
    with pytest.raises(InvalidConfig) as caught:
        find({"GOOGLE_API_KEY": "s3cret\nX-Other: 1"})
    assert "s3cret" not in str(caught.value)


def test_secrets_are_in_no_repr_and_no_url() -> None:
    endpoint = find({"GOOGLE_API_KEY": "s3cret"})
    shown = repr(endpoint) + endpoint.url() + repr(Options(api_key="s3cret")) + repr(AccessToken("s3cret"))
    assert "s3cret" not in shown
