"""What the web page sends, and how it takes what the server says: in headless Chromium, against page_mock.py."""

import base64
import time
import urllib.request

import page_case as page
import page_mock_gallery


class Requests(page.MockPage):
    def test_no_request_asks_for_everything(self):
        self.open()
        self.upload(self.photos[0])
        self.open("#/gallery")
        for name, request, _ in self.mock.requests:
            for bound in ("page_size", "k", "groups"):
                self.assertLessEqual(request.get(bound, 0), 1024, name)
            if name == "Scroll":
                self.assertTrue(0 < request["page_size"] <= 100)
            if name == "Facet":
                self.assertTrue(0 < request["limit"] <= 100)

    def test_photographs_come_when_they_are_about_to_be_seen(self):
        for key in ("", "right"):  # with a key they are fetched another way
            self.mock.key = key
            self.browser.size(360, 740, mobile=True)
            self.allowed_errors += "|status of 401"
            self.browser.open(self.url)
            self.browser.run("sessionStorage.setItem('fluke-key', arguments[0])", key)
            self.mock.requests.clear()
            self.open("#/gallery?identity=" + page_mock_gallery.name_of(0))
            self.assertEqual(self.browser.count(".results .card-link"), 60)
            self.browser.wait(
                "return [...document.querySelectorAll('.photo img')].filter((i) => i.complete && i.naturalWidth > 0).length > 6"
            )
            time.sleep(1)  # in which all would have come
            self.assertLess(len(self.sent("photo")), 40)

    def test_what_matches_is_drawn_between_two_photographs(self):
        self.open()
        self.upload(self.photos[0])
        self.assertEqual(self.browser.count(".compare-button"), 0)
        self.mock.matches_regions = True
        self.open()
        self.upload(self.photos[0])
        self.browser.run("document.querySelector('.answer .card-link').focus()")
        self.browser.press("c")
        self.browser.wait_for("dialog.compare .match", 8)
        self.assertIn("8 matching regions", self.browser.text("dialog.compare [role=status]"))
        # Each line begins and ends where the photographs have its regions.
        ends = self.browser.run(
            "const [a, b] = [...document.querySelectorAll('.pair img')].map((i) => i.getBoundingClientRect());"
            "const all = document.querySelectorAll('.match.strong line'); const box = all[all.length - 1].getBoundingClientRect();"
            "return [(box.left - a.left) / a.width, (box.right - b.left) / b.width]"
        )
        self.assertAlmostEqual(ends[0], 0.2, places=2)
        self.assertAlmostEqual(ends[1], 0.3, places=2)
        self.check_access()
        self.shoot("compare")
        self.browser.press("Escape")
        self.assertEqual(self.browser.count("dialog.compare"), 0)

    def test_a_new_individual_is_an_upsert_of_the_photograph(self):
        self.mock.items[self.photos[0].name] = {"id": self.photos[0].name, "identity": "old", "path": "", "metadata": {}}
        self.mock.is_new = True
        self.open()
        self.upload(self.photos[0])
        self.browser.wait("return document.querySelector('.headline.new')")
        self.shoot("new_individual")
        self.browser.type("#new-identity", " Bent tip ")
        self.browser.press("Enter")
        self.browser.wait_for(".confirm-done .good")
        [upsert] = self.sent("Upsert")
        self.assertEqual(
            upsert,
            {
                "items": [
                    {
                        "item": {"id": "sighting_0-2.png", "identity": "Bent tip", "path": "", "metadata": {}},
                        "photograph": {"image": base64.b64encode(self.photos[0].read_bytes()).decode()},
                    }
                ],
                "collection": "",
            },
        )

    def test_the_same_individual_is_an_upsert_with_the_likeliest_name(self):
        self.open()
        self.upload(self.photos[0])
        self.browser.wait_for(".confirm")
        likeliest = self.browser.text(".candidates a")
        self.browser.click(".confirm form:nth-of-type(1) button")
        self.browser.wait_for(".confirm-done .good")
        [upsert] = self.sent("Upsert")
        self.assertEqual(upsert["items"][0]["item"], {"id": "sighting_0.png", "identity": likeliest, "path": "", "metadata": {}})

    def test_a_name_that_is_taken_is_no_new_individual(self):
        self.open()
        self.upload(self.photos[0])
        self.browser.wait_for(".confirm")
        self.browser.type("#new-identity", page_mock_gallery.name_of(0) + "\ue007")
        self.browser.wait_for(".confirm-done .bad")
        self.assertIn("already", self.browser.text(".confirm-done"))
        self.assertEqual(self.sent("Upsert"), [])

    def test_an_item_keeps_what_it_has_but_its_identity(self):
        item = self.mock.items["fluke_00010.jpg"]
        before = dict(item)
        self.open_item(item["id"])
        self.browser.type("#new-identity", "Split\ue007")
        self.browser.wait_for(".confirm-done .good")
        self.assertEqual(self.sent("Update"), [{"items": [{**before, "identity": "Split"}], "collection": ""}])

    def test_examples_are_sent_with_the_photograph(self):
        self.open()
        self.upload(self.photos[0])
        first = self.cards()
        self.browser.click(".answer .card:nth-child(4) .mark.like")
        self.browser.click(".answer .card:nth-child(5) .mark.unlike")
        self.follow("#combine")
        search = self.sent("Search")[-1]
        self.assertEqual([sorted(example) for example in search["like"]], [["image"], ["item_id"]])
        self.assertEqual(search["like"][1]["item_id"], first[3])
        self.assertEqual(search["unlike"], [{"item_id": first[4]}])
        self.assertFalse({"image", "item_id", "exclude_self"} & set(search))

    def test_a_big_photograph_is_made_smaller_before_it_leaves(self):
        self.open()
        self.upload(page.write_png(page.FOLDER / "big.png", 2400, 1500))
        width, height, _ = page.jpeg_size(base64.b64decode(self.sent("Search")[-1]["image"]))
        self.assertEqual((width, height), (1600, 1000))

    def test_a_turned_photograph_leaves_upright(self):
        self.open()
        data = self.browser.run(
            "const c = document.createElement('canvas'); c.width = 2000; c.height = 1000;"
            "const g = c.getContext('2d'); g.fillStyle = '#579'; g.fillRect(0, 0, 2000, 1000); return c.toDataURL('image/jpeg')"
        )
        jpeg = page.turned(base64.b64decode(data.split(",")[1]))
        (page.FOLDER / "page.turned.jpg").write_bytes(jpeg)
        self.upload(page.FOLDER / "page.turned.jpg")
        self.assertEqual(page.jpeg_size(base64.b64decode(self.sent("Search")[-1]["image"])), (800, 1600, False))

    def test_what_is_no_photograph_is_refused_by_name(self):
        self.allowed_errors += "|status of 400"
        self.open()
        (page.FOLDER / "notes.txt").write_text("no photograph")
        self.browser.type("#files", str(page.FOLDER / "notes.txt"))
        self.browser.wait("return document.querySelector('.refused').innerText.includes('notes.txt')")
        (page.FOLDER / "broken.jpg").write_bytes(b"no photograph either")
        self.upload(page.FOLDER / "broken.jpg")
        self.browser.wait_for(".results .notice.bad")
        self.assertIn("cannot be decoded", self.browser.text(".results").lower())

    def test_photographs_are_dropped_and_pasted_anywhere(self):
        self.open("#/gallery")
        data = base64.b64encode(self.photos[0].read_bytes()).decode()
        self.ask("fileEvent('drop', ...arguments)", data, "dropped.png")
        self.browser.wait("return location.hash.includes('p=1')")
        self.browser.wait_for(".answer .card-link", 20)
        self.ask("fileEvent('paste', ...arguments)", data, "pasted.png")
        self.browser.wait("return location.hash.includes('p=2')")
        self.assertIn("pasted.png", self.browser.wait("const e = document.querySelector('.query-name'); return e && e.innerText"))

    # --- what the server says

    def test_a_key_is_asked_for_and_kept(self):
        self.allowed_errors += "|status of 401"
        self.mock.key = "right"
        self.open("", "dialog[open]")
        self.browser.type("#key", "wrong\ue007")
        self.browser.wait("return document.querySelector('#key-reason').textContent.includes('did not accept')")
        self.shoot("key")
        self.browser.type("#key", "right\ue007")
        self.browser.wait_for(".results .card-link")
        self.browser.wait("return document.querySelector('.results img[src^=\"blob:\"]')")
        self.assertEqual({key for name, _, key in self.mock.requests if name == "photo"}, {"Bearer right"})
        self.browser.open("about:blank")
        self.open()  # the same tab: not asked again
        self.assertEqual(self.browser.count("dialog[open]"), 0)

    def test_who_has_no_key_is_told(self):
        self.allowed_errors += "|status of 401"
        self.mock.key = "right"
        self.open("", "dialog[open]")
        self.browser.press("Escape")
        self.browser.wait_for(".notice.bad")
        self.assertEqual(self.browser.count("dialog[open]"), 0)

    def test_a_read_only_gallery_says_so_and_offers_no_change(self):
        self.mock.read_only = True
        self.open_item("fluke_00010.jpg")
        self.assertIn("read-only", self.browser.text(".confirm"))
        self.assertEqual(self.browser.count(".confirm button:not(:disabled)"), 0)
        self.open("#/index", ".facts dd")
        self.assertEqual(self.browser.count("#snapshot:disabled"), 1)

    def test_a_gallery_too_small_to_name_anybody_says_so_and_shows_the_nearest(self):
        self.allowed_errors += "|status of 400"
        self.mock.small = True
        self.open_item("fluke_00010.jpg")
        self.assertIn("too small to tell", self.browser.text(".verdict"))
        self.assertEqual(self.browser.count(".candidates li"), 5)
        self.assertNotIn("%", self.browser.text(".verdict"))
        self.check_still()
        self.shoot("small_gallery")
        self.assertEqual(self.browser.count(".answer .card-link"), 20)

    def test_an_item_that_is_not_there_can_not_be_corrected(self):
        self.allowed_errors += "|status of 404"
        self.open("#/search?id=nobody", ".verdict")
        self.settle()
        self.assertIn("not in the gallery", self.browser.text(".verdict"))
        self.assertEqual(self.browser.count(".confirm"), 0)

    def test_items_without_photographs_are_drawn_without_asking(self):
        self.mock.has_photos = False
        self.open()
        self.assertEqual(self.browser.count(".results svg.no-photo"), 12)
        self.assertEqual(self.sent("photo"), [])
        self.check_access()
        self.shoot("no_photos")

    def test_hostile_names_are_text(self):
        self.open("#/search?f=" + urllib.request.quote("exists(note)"))
        self.assertIn(
            page_mock_gallery.HOSTILE, self.browser.run("return [...document.querySelectorAll('.who')].map((e) => e.textContent)")
        )
        self.follow(".results .card-link")
        self.browser.wait_for(".confirm option")
        self.open("#/gallery?identity=" + urllib.request.quote(page_mock_gallery.HOSTILE))
        self.assertEqual(self.browser.text("h1"), page_mock_gallery.HOSTILE)
        self.assertNotIn("broken", self.browser.run("return document.title"))
        self.assertEqual(
            self.browser.run(
                "return [...document.images].filter((i) => i.getAttribute('src') === 'x' || i.hasAttribute('onerror')).length"
            ),
            0,
        )
        self.assertGreater(self.browser.count(".results .card-link"), 3)

    def test_a_server_that_is_away_is_told_and_asked_again(self):
        self.open()
        self.allowed_errors += "|ERR_|status of"
        self.browser.devtools("Network.enable")
        self.browser.devtools(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        self.browser.click(".results .card-link")
        self.browser.wait_for(".results .notice.bad")
        self.browser.devtools(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        self.browser.click(".results .notice.bad button")
        self.browser.wait_for(".answer .card-link", 20)

    def test_a_busy_server_is_asked_again_for_what_nobody_waits_for(self):
        self.allowed_errors += "|status of 429"
        self.mock.busy = 5
        self.open("#/gallery")
        self.browser.wait(
            "const first = [...document.querySelectorAll('.browse .card-link')].slice(0, 8);"
            "return first.every((link) => link.querySelector('.photo img, .photo svg'))"
        )
        self.assertEqual(self.mock.busy, 0)

    def test_another_collection_is_chosen(self):
        self.open()
        self.browser.run(
            "const s = document.querySelector('#collection'); s.value = 'northern-2025'; s.dispatchEvent(new Event('change'))"
        )
        self.browser.wait("return location.hash.includes('c=northern-2025')")
        self.settle()
        self.follow(".results .card-link")
        self.assertEqual(self.sent("Search")[-1]["collection"], "northern-2025")
        self.assertEqual(self.sent("photo")[-1]["collection"], "northern-2025")

    def test_a_snapshot_is_made(self):
        self.open("#/index", ".facts dd")
        self.browser.click("#snapshot")
        self.browser.wait("return document.querySelector('.facts').innerText.includes('number 8, nothing changed')")

    # --- training

    def test_curves_of_a_running_job_grow(self):
        self.open("#/training", ".chart")
        self.assertEqual(
            self.browser.run("return [...document.querySelectorAll('.chart-name')].map((e) => e.textContent)"),
            ["loss", "recall@1", "recall@5", "kaggle_map@5"],
        )
        steps = "return Number(document.querySelector('.chart svg').getAttribute('aria-label').match(/step (\\d+)/)[1])"
        first = self.browser.run(steps)
        self.browser.wait(steps.replace("return", "return arguments[0] <"), first)
        self.browser.run("document.querySelector('.chart svg').focus()")
        self.browser.press("Left")
        self.assertIn("at step", self.browser.text(".chart-value"))
        self.check_still()
        self.check_access()
        self.shoot("training")
        self.browser.colours("dark")
        self.check_access()
        self.shoot("training_dark")
        asked = len(self.sent("GetJob"))
        self.browser.run("location.hash = '#/index'")
        self.browser.wait_for("#snapshot")
        time.sleep(1.3)  # longer than a round: the view that was left asks no more
        self.assertLessEqual(len(self.sent("GetJob")), asked + 1)

    def test_a_job_is_submitted_and_cancelled(self):
        self.allowed_errors += "|status of 400"
        self.open("#/training", ".chart")
        self.browser.click(".submit-job summary")
        self.browser.type("#job-name", "calves")
        self.browser.type("#job-config", "train: {epochs: 3}")
        self.browser.click(".submit-job button")
        self.browser.wait("return document.querySelector('.submit-job').innerText.includes('data.manifest')")
        self.browser.type("#job-config", "\ndata: {manifest: calves.csv}")
        self.browser.type("#job-alias", "calves-2025")
        self.browser.click(".submit-job button")
        self.browser.wait("return location.hash.includes('id=j4')")
        self.assertEqual(
            self.sent("SubmitJob")[-1],
            {
                "name": "calves",
                "config_yaml": "train: {epochs: 3}\ndata: {manifest: calves.csv}",
                "publish": {"alias": "calves-2025"},
            },
        )
        self.browser.wait_for("#cancel-job")
        self.browser.click("#cancel-job")
        self.assertEqual(self.sent("CancelJob"), [])  # asked once more
        self.browser.click("#cancel-job")
        self.browser.wait("return document.querySelector('.job h2').innerText.includes('Cancelled')")
        self.assertEqual(self.sent("CancelJob"), [{"id": "j4"}])

    def test_a_job_that_succeeded_is_published(self):
        self.open("#/training?id=j2", ".publish")
        self.browser.type("#publish-alias", "whales")
        self.browser.click(".publish button")
        self.browser.wait("return document.querySelector('.job h2').innerText.includes('Published')")
        self.assertEqual(self.sent("PublishJob"), [{"id": "j2", "target": {"alias": "whales"}}])

    def test_a_server_without_training_says_so(self):
        self.mock.has_jobs = False
        self.open("#/training", ".notice")
        self.assertIn("trains no models", self.browser.text("main"))


if __name__ == "__main__":
    page.main()
