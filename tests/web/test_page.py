"""The page as a person meets it: connection, typing, bubbles, console, camera, errors, phone width."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Page, Request, expect

from fullduplex.testing.proxy import FaultyProxy

from .browser import VoiceBrowser, VoicePage
from .standin import (
    INFO,
    Connection,
    Standin,
    audio,
    event,
    heard,
    refusal,
    spoken,
    text,
    tone,
    tool_call,
    tool_response,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDS = [
    *("messageForm", "message", "messages", "sendButton", "startAudioButton"),
    *("connectionStatus", "stopAudioButton", "eventConsole"),
]


async def texts(voice: VoicePage, selector: str) -> list[str]:
    return await voice.page.locator(selector).all_inner_texts()


@pytest.mark.spec(161)
async def test_page_has_the_ids_and_cannot_send_before_the_socket_is_open(
    browser: VoiceBrowser, standin: Standin
) -> None:
    standin.refusing = True
    async with browser.page(standin.url, connected=False) as voice:
        for element_id in IDS:
            assert await voice.page.locator(f"#{element_id}").count() == 1, element_id
        assert await voice.page.locator("#sendButton").is_disabled()
        standin.refusing = False
        await expect(voice.page.locator("#sendButton")).to_be_enabled()
        await expect(voice.page.locator("#connectionStatus")).to_have_text("Connected")
        await expect(voice.page.locator("#messages")).to_contain_text("Connection opened")
        assert voice.errors == []


@pytest.mark.spec(161, 168)
async def test_lost_connection_comes_back_to_the_same_session(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await voice.type("remember 42")
        await first.close(1012, "restarting")
        second = await standin.connection(2, timeout=5.0)
        assert (second.user_id, second.session_id) == (first.user_id, first.session_id)
        await voice.wait_open()
        notes = await texts(voice, "#messages .note")
        assert notes == ["Connection opened", "Connection closed: restarting", "Connection opened"]
        assert await texts(voice, "#messages .user .bubble") == ["remember 42"]


async def test_a_server_that_started_anew_and_has_forgotten_says_so(browser: VoiceBrowser, standin: Standin) -> None:
    standin.info = INFO | {"sessions": "memory-1"}
    async with browser.page(standin.url) as voice:
        forgotten = voice.page.locator(".note", has_text="does not remember")
        await (await standin.connection()).close(1012, "restarting")
        await standin.connection(2)
        await voice.wait_open()
        await voice.type("remember 42")
        standin.info = INFO | {"sessions": "memory-2"}
        await (await standin.connection(2)).close(1012, "restarting")
        await expect(forgotten).to_have_count(1)
        await (await standin.connection(3)).close(1012, "restarting")
        await standin.connection(4)
        await voice.wait_open()
        await voice.type("and 43")
        await expect(voice.page.locator(".user .bubble")).to_have_count(2)
        await expect(forgotten).to_have_count(1)


async def test_server_that_throws_us_out_again_and_again_does_not_fill_the_page(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        for number in (1, 2, 3):
            connection = await standin.connection(number)
            await connection.send(refusal("model_unavailable", "The model is away.", session_lives=False))
            await connection.close(1011, "the run failed")
        await expect(voice.page.locator(".note").last).to_have_text("Connection closed: the run failed (×3)")
        assert await voice.page.locator(".note").count() == 3


async def test_session_that_another_tab_took_comes_back_on_request_only(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await voice.start_audio()
        await first.send(event(errorCode="session_busy", errorMessage="Another live run took over session s1."))
        await first.close(4409, "session_busy")
        await expect(voice.page.locator("#connectionStatus")).to_have_text("In another tab")
        await expect(voice.page.locator(".note").last).to_contain_text("This conversation goes on in another tab.")
        await expect(voice.page.locator(".note.error")).to_have_count(0)
        await expect(voice.page.locator("#startAudioButton")).to_be_visible()  # the microphone is off
        await voice.page.clock.install()
        await voice.page.clock.run_for(20_000)
        await expect(voice.page.locator("#connectionStatus")).to_have_text("In another tab")
        await voice.page.click(".note-action")
        second = await standin.connection(2)
        assert second.session_id == first.session_id
        await voice.wait_open()
        await expect(voice.page.locator(".note-action")).to_have_count(0)


async def test_an_error_that_is_there_to_stay_stops_the_page(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await first.send(event(errorCode="unauthorized", errorMessage="The key was refused.", recoverable=False))
        await first.close(1011, "unauthorized")
        await expect(voice.page.locator("#connectionStatus")).to_have_text("Stopped")
        await expect(voice.page.locator(".note.error")).to_contain_text("The key was refused.")
        await voice.page.clock.install()
        await voice.page.clock.run_for(20_000)
        await expect(voice.page.locator("#connectionStatus")).to_have_text("Stopped")
        await voice.page.click(".note-action")
        await standin.connection(2)
        await voice.wait_open()


async def test_a_turn_that_the_model_refuses_is_said(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        connection = await standin.connection()
        await voice.type("something unsafe")
        await connection.send(event(turnComplete=True, turnCompleteReason="PROHIBITED_INPUT_CONTENT"))
        await expect(voice.page.locator(".note.error")).to_contain_text("prohibited input content")


@pytest.mark.spec(161)
async def test_page_tries_again_every_five_seconds_at_the_latest(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        waits = await voice.page.evaluate("import('/static/client/socket.js').then((m) => m.RETRY_MS)")
        assert max(waits) == waits[-1] == 5_000
        # The waiting itself, with the page's clock wound forward: three refusals, then it gets in.
        await voice.page.clock.install()
        standin.refusing = True
        await (await standin.connection()).close()
        for wait in waits[:-1]:
            await expect(voice.page.locator("#connectionStatus")).to_have_text("Reconnecting")
            await voice.page.clock.run_for(wait)
        await expect(voice.page.locator("#connectionStatus")).to_have_text("Reconnecting")
        standin.refusing = False
        await voice.page.clock.run_for(5_000)
        await standin.connection(2)
        await expect(voice.page.locator("#connectionStatus")).to_have_text("Connected")


async def test_connection_that_does_not_open_is_given_up_and_tried_again(
    browser: VoiceBrowser, standin: Standin
) -> None:
    host, port = standin.url.removeprefix("http://").split(":")
    async with FaultyProxy(host, int(port)) as network, browser.page(network.url) as voice:
        status = voice.page.locator("#connectionStatus")
        first = await standin.connection()
        await voice.wait_open()
        await voice.page.clock.install()
        network.stall()
        network.cut()
        await expect(status).to_have_text("Reconnecting")
        await voice.page.clock.run_for(500)
        await expect(status).to_have_text("Connecting")
        await voice.page.clock.run_for(12_000)
        await expect(status).to_have_text("Reconnecting")
        network.go_on()
        await voice.page.clock.run_for(1_000)
        await expect(status).to_have_text("Connected")
        assert {connection.session_id for connection in standin.connections} == {first.session_id}


async def test_what_was_typed_and_did_not_arrive_is_given_back(browser: VoiceBrowser, standin: Standin) -> None:
    host, port = standin.url.removeprefix("http://").split(":")
    async with FaultyProxy(host, int(port)) as network, browser.page(network.url) as voice:
        first = await standin.connection()
        await voice.type("this arrives")
        await first.wait_message("text")
        await voice.page.wait_for_function("fullduplex.client.unread.length === 0")
        network.stall()
        await voice.type("what is two plus two")
        network.cut()
        await expect(voice.page.locator(".note").last).to_contain_text("may not have arrived")
        await expect(voice.page.locator("#message")).to_have_value("what is two plus two")
        network.go_on()
        await standin.connection(2)
        await voice.wait_open()
        network.stall()
        await voice.page.press("#message", "Enter")
        await voice.page.fill("#message", "something else")
        network.cut()
        await expect(voice.page.locator(".note").last).to_have_text(
            "Your last message may not have arrived. It was: what is two plus two"
        )
        await expect(voice.page.locator("#message")).to_have_value("something else")
        assert [message["text"] for message in first.messages] == ["this arrives"]


async def test_system_that_goes_offline_is_believed_when_the_server_is_silent(
    browser: VoiceBrowser, standin: Standin
) -> None:
    reason = "Connection closed: nothing is heard from the server"
    async with browser.page(standin.url) as voice:
        status = voice.page.locator("#connectionStatus")
        await voice.wait_open()
        # There is no network, but the server is on this machine and answers.
        await voice.page.clock.install()
        await voice.page.evaluate("dispatchEvent(new Event('offline'))")
        await voice.page.wait_for_function("fullduplex.client.lifeline.silence.seconds === 0")
        await voice.page.clock.run_for(2_000)
        await expect(status).to_have_text("Connected")
        assert len(standin.connections) == 1
        # And now it does not.
        await voice.page.context.set_offline(True)
        await voice.page.clock.run_for(2_000)
        await expect(status).to_have_text("Reconnecting")
        await expect(voice.page.locator(".note").last).to_have_text(reason)
        await voice.page.context.set_offline(False)
        await voice.page.clock.run_for(5_000)
        await expect(status).to_have_text("Connected")


async def test_reload_keeps_the_session_and_new_conversation_leaves_it(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await voice.page.reload()
        second = await standin.connection(2)
        assert second.session_id == first.session_id
        await voice.wait_open()
        await voice.type("hello")
        await voice.page.click("#newSessionButton")
        third = await standin.connection(3)
        assert third.session_id != first.session_id
        assert third.user_id == first.user_id
        assert await texts(voice, "#messages .bubble") == []


@pytest.mark.spec(168)
async def test_typed_message_goes_up_and_the_answer_streams_into_one_bubble(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.type("Was kostet <b>das</b>?")
        assert await agent.wait_message("text") == {"type": "text", "text": "Was kostet <b>das</b>?"}
        assert await texts(voice, ".user .bubble") == ["Was kostet <b>das</b>?"]
        assert await voice.page.input_value("#message") == ""
        await expect(voice.page.locator(".is-typing")).to_be_visible()

        answer = voice.page.locator(".row.agent:not(.is-typing)")
        await agent.send(text("It costs ", partial=True))
        await expect(answer.locator(".bubble")).to_have_text("It costs ")
        await expect(answer).to_have_class("row agent text streaming")
        await expect(voice.page.locator(".is-typing")).to_have_count(0)
        await agent.send(text("nothing", partial=True))
        await expect(answer.locator(".bubble")).to_have_text("It costs nothing")
        await agent.send(text("It costs nothing.", partial=False), event(turnComplete=True))
        await expect(answer).to_have_class("row agent text")
        assert await texts(voice, ".agent .bubble") == ["It costs nothing."]


async def test_shift_enter_is_a_new_line_and_blank_messages_stay(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.type("   ")
        await voice.page.fill("#message", "one")
        await voice.page.press("#message", "Shift+Enter")
        await voice.page.type("#message", "two")
        await voice.page.click("#sendButton")
        await agent.wait_message("text")
        assert [message["text"] for message in agent.messages] == ["one\ntwo"]


@pytest.mark.spec(168)
async def test_transcripts_interruption_and_tools_are_shown(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(heard("weather in ", finished=False), heard("Tokyo", finished=False))
        await expect(voice.page.locator(".row.user")).to_have_class("row user transcript streaming")
        await expect(voice.page.locator(".row.user .bubble")).to_have_text("weather in Tokyo")
        await agent.send(heard("Weather in Tokyo?", finished=True), tool_call("c1", "get_weather", city="Tokyo"))
        await expect(voice.page.locator(".chip")).to_have_class("chip running")
        await agent.send(tool_response("c1", "get_weather", {"result": "sunny"}))
        await expect(voice.page.locator(".chip.done summary")).to_have_text("get_weather(city: Tokyo)→ sunny")
        await agent.send(spoken("It is sunny", finished=True), event(interrupted=True), event(turnComplete=True))
        await expect(voice.page.locator(".row.agent.interrupted .bubble")).to_have_text("It is sunny")
        await expect(voice.page.locator(".row.agent.interrupted .tag")).to_have_text("Interrupted")
        assert await texts(voice, ".user .bubble") == ["Weather in Tokyo?"]
        await voice.page.click(".chip summary")
        await expect(voice.page.locator(".chip pre")).to_contain_text('"city": "Tokyo"')


async def test_refused_frame_is_explained_and_the_conversation_goes_on(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(refusal("bad_frame", "The data is not base64.", field="data"))
        note = voice.page.locator(".note.error")
        await expect(note).to_have_text("The data is not base64. (field “data”) [bad_frame] The conversation goes on.")
        await agent.send(event(errorCode="UNAVAILABLE", errorMessage="The model is overloaded."))
        await expect(note.nth(1)).to_have_text("The model is overloaded. [UNAVAILABLE]")
        await agent.websocket.send_text("{not json")
        await expect(note.nth(2)).to_have_text("The server sent a frame that is not JSON.")
        await agent.websocket.send_bytes(b"\x00\x01")
        await expect(note.nth(3)).to_contain_text("binary frame")
        await agent.send(refusal("model_unavailable", "The model is away.", session_lives=False))
        await expect(note.nth(4)).to_contain_text("The session has ended.")
        await voice.type("still there?")
        await agent.wait_message("text")
        assert voice.errors == []


async def test_engine_is_named_and_examples_can_be_clicked(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await expect(voice.page.locator("#engine")).to_contain_text("Offline demo")
        await expect(voice.page.locator("#engine")).to_contain_text("a scripted tool router, not a language model")
        await expect(voice.page.locator("#engine")).to_contain_text("get time")
        await expect(voice.page.locator(".example")).to_have_count(5)
        await voice.page.click(".example >> nth=0")
        assert (await agent.wait_message("text"))["text"] == "what time is it in Tokyo"
        await expect(voice.page.locator("#engineLine")).to_contain_text("not a language model")


async def test_online_engine_is_not_called_a_demo_and_a_missing_info_is_no_error(
    browser: VoiceBrowser, standin: Standin
) -> None:
    assert standin.info is not None
    standin.info = {**standin.info, "offline": False, "engine": "Gemini Live, model-x"}
    async with browser.page(standin.url) as voice:
        await expect(voice.page.locator("#engine")).to_have_text("You talk with demo_agent on Gemini Live, model-x.")
    standin.info = None
    async with browser.page(standin.url) as voice:
        await expect(voice.page.locator("#engine")).to_be_hidden()
        assert voice.errors == []


async def test_browser_console_has_the_articles_lines(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.type("hello")
        await agent.send(text("hi", partial=True), audio(bytes(1_920)))
        await voice.wait_event("message.content?.parts[0].inlineData")
        up = [line for line in voice.console if line.startswith("[CLIENT TO AGENT]")]
        down = [line for line in voice.console if line.startswith("[AGENT TO CLIENT]")]
        assert up == ['[CLIENT TO AGENT] {"type":"text","text":"hello"}']
        assert len(down) == 2
        assert "(1920 bytes)" in down[1]


# Event console


async def open_console(voice: VoicePage, agent: Connection) -> Page:
    await voice.page.click("#consoleButton")
    await voice.type("roll a die")
    call = tool_call("c1", "roll_dice", sides=6)
    usage = {"promptTokenCount": 1_200, "candidatesTokenCount": 34, "totalTokenCount": 1_234}
    sound = [audio(tone(0.04)) for _ in range(3)]
    await agent.send(call, *sound, event(usageMetadata=usage), refusal("bad_frame", "No."), event(turnComplete=True))
    await expect(voice.page.locator(".events .what", has_text="Turn complete")).to_have_count(1)
    return voice.page


@pytest.mark.spec(168)
async def test_event_console_lists_what_goes_over_the_wire(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        page = await open_console(voice, await standin.connection())
        visible: list[list[str]] = await page.eval_on_selector_all(
            ".events .item:not(.is-audio) .entry",
            """(entries) => entries.map((entry) => [entry.className, entry.querySelector(".what").textContent,
                                                      entry.querySelector(".badge").textContent])""",
        )
        # What the page tells of the sound is sent when that is heard, before or after this.
        visible = [entry for entry in visible if "Turn times" not in entry[1]]
        assert visible == [
            ["entry up", "Text: roll a die", "you"],
            ["entry down", "Tool call: roll_dice", "demo_agent"],
            ["entry down", "Tokens: 1,200 in, 34 out, 1,234 in all", "demo_agent"],
            ["entry error", "bad_frame: No.", "server"],
            ["entry down", "Turn complete", "demo_agent"],
        ]
        times = await texts(voice, ".events .item:not(.is-audio) time")
        assert times == sorted(times)
        await page.locator(".entry summary", has_text="Tool call").click()
        await expect(page.locator(".entry pre")).to_contain_text('"sides": 6')


@pytest.mark.spec(168)
async def test_audio_events_show_on_request_without_their_data_and_clear_clears(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        page = await open_console(voice, await standin.connection())
        sound = page.locator(".events .is-audio")
        await expect(sound).to_have_count(1)
        await expect(sound).to_be_hidden()
        await page.check("#showAudioEvents")
        await expect(sound).to_be_visible()
        await sound.locator("summary").click()
        await expect(sound.locator("pre")).to_contain_text('"data": "(1920 bytes)"')
        await page.click("#clearConsoleButton")
        await expect(page.locator(".events li")).to_have_count(0)
        await page.click("#closeConsoleButton")
        await expect(page.locator("#eventConsole")).to_be_hidden()


# Camera


@pytest.mark.spec(168)
async def test_camera_sends_a_square_jpeg_and_shows_it(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.page.click("#cameraButton")
        await expect(voice.page.locator("#cameraPreview")).to_be_visible()
        await voice.page.click("#cameraCapture")
        message = await agent.wait_message("image")
        assert message["mimeType"] == "image/jpeg"
        picture = Image.open(io.BytesIO(base64.b64decode(message["data"])))
        assert (picture.format, picture.size) == ("JPEG", (768, 768))
        red, green, blue = picture.convert("RGB").getpixel((20, 20))  # type: ignore[misc]
        assert green > 100 > max(red, blue)  # Chromium's own test picture is green
        shown = voice.page.locator(".row.user img.picture")
        await expect(shown).to_be_visible()
        assert await shown.evaluate("(image) => image.naturalWidth") == 768
        await expect(voice.page.locator("#cameraModal")).to_be_hidden()


@pytest.mark.spec(168)
@pytest.mark.parametrize("way", ["#cameraCancel", "#cameraClose", "Escape"])
async def test_camera_is_off_when_its_dialog_is_closed(browser: VoiceBrowser, standin: Standin, way: str) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.page.click("#cameraButton")
        await expect(voice.page.locator("#cameraCapture")).to_be_enabled()
        track = await voice.page.evaluate_handle("document.querySelector('#cameraPreview').srcObject.getTracks()[0]")
        if way == "Escape":
            await voice.page.keyboard.press("Escape")
        else:
            await voice.page.click(way)
        await expect(voice.page.locator("#cameraModal")).to_be_hidden()
        await voice.page.wait_for_function("(track) => track.readyState === 'ended'", arg=track)
        assert agent.messages == []


# Looks


@pytest.mark.parametrize("dark", [False, True])
async def test_phone_width_needs_no_sideways_scrolling(browser: VoiceBrowser, standin: Standin, dark: bool) -> None:
    async with browser.page(standin.url, size=(360, 740), dark=dark) as voice:
        agent = await standin.connection()
        long = "Donaudampfschifffahrtsgesellschaftskapitänsmützenständer" * 3
        await voice.type(long)
        await agent.send(
            tool_call("c1", "a_tool_with_a_rather_long_name", argument=long),
            tool_response("c1", "a_tool_with_a_rather_long_name", {"result": long}),
            text(long, partial=False),
            refusal("bad_frame", long),
        )
        await expect(voice.page.locator(".note.error")).to_be_visible()
        await voice.page.click("#consoleButton")
        overflow: list[Any] = await voice.page.evaluate(
            """[...document.querySelectorAll("body *")]
                 .filter((e) => e.checkVisibility() && !e.closest(".examples, svg, summary, pre"))
                 .filter((e) => e.getBoundingClientRect().right > innerWidth + 0.5)
                 .map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert overflow == []
        assert await voice.page.evaluate("document.documentElement.scrollWidth") == 360


async def test_all_controls_have_names_and_can_be_reached_by_keyboard(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        nameless: list[str] = await voice.page.evaluate(
            """[...document.querySelectorAll("button, input, textarea, [role=meter], [role=log]")]
                 .filter((e) => !(e.ariaLabel || e.labels?.length || e.textContent.trim()))
                 .map((e) => e.outerHTML)"""
        )
        assert nameless == []
        reached = set()
        for _ in range(25):
            await voice.page.keyboard.press("Tab")
            reached.add(await voice.page.evaluate("document.activeElement.id"))
        wanted = {"consoleButton", "muteButton", "startAudioButton", "cameraButton"}
        wanted |= {"message", "messages", "sendButton"}
        assert wanted <= reached
        assert await voice.page.get_attribute("#messages", "aria-live") == "polite"


async def test_page_asks_nobody_else_for_anything(browser: VoiceBrowser, standin: Standin) -> None:
    context = await browser.browser.new_context()
    page = await context.new_page()
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    await page.goto(standin.url)
    await page.locator("#sendButton:enabled").wait_for()
    await context.close()
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(standin.url)] == []
