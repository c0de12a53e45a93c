// A slider beside a day field: moving it shows what held then. Without scripts, the field does the same.
"use strict";

document.addEventListener("alpine:init", () => {
  const DAY = 86400000;
  const number = (day) => Math.round(Date.parse(`${day}T00:00:00Z`) / DAY);

  window.Alpine.data("daySlider", () => ({
    first: 0,
    most: 0,
    place: 0,
    init() {
      this.first = number(this.$root.dataset.first);
      this.most = number(this.$root.dataset.last) - this.first;
      this.typed();
    },
    get isUseless() {
      return this.most < 1;
    },
    get shown() {
      return new Date((this.first + Number(this.place)) * DAY).toISOString().slice(0, 10);
    },
    // At its right end, the slider asks for now.
    moved() {
      this.$refs.day.value = Number(this.place) < this.most ? this.shown : "";
      this.$refs.day.form.dispatchEvent(new CustomEvent("moved"));
    },
    typed() {
      const day = this.$refs.day.value;
      this.place = day ? Math.max(0, Math.min(this.most, number(day) - this.first)) : this.most;
    },
  }));
});
