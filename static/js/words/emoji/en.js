/**
 * The emoji that can be written by name and chosen as reactions, with their English names: ten a row, several names of one parted by
 * a stroke, the first being what it is called. Other languages name the same ones in the same places. `emoji.js` reads it.
 */
export default `
😀 grin,😄 smile/happy,😂 joy/laugh,🤣 rofl,🙂 slight smile,😉 wink,😊 blush,😇 innocent/angel,😍 heart eyes/love,🥰 hearts
🙃 upside down,😋 yum/tasty,😘 kiss,😜 tongue/crazy,🤓 nerd,😎 cool/sunglasses,🥳 party face,🙄 eye roll,😬 grimace,😴 sleep/tired
😷 mask,🤒 ill/fever,🤯 mind blown,😕 confused,🙁 frown,😮 wow/surprised,😳 flushed,🥺 please/pleading,😢 cry/sad,😭 sob
😱 scream,😡 angry,😈 devil,💀 skull,👻 ghost,🤖 robot/bot,💩 poo,🤔 thinking/hmm,🤫 quiet/hush,🤗 hug
🫡 salute,🫠 melting,😅 phew/sweat,🤷 shrug,🤦 facepalm,🙈 see no evil/monkey,🙏 pray/thanks,👍 thumbs up/yes/+1,👎 thumbs down/no/-1,👌 ok
👏 clap/bravo,🙌 hooray/raised hands,👋 wave/hello,🤝 handshake/deal,💪 strong/muscle,✌️ peace/victory,🤞 fingers crossed/luck,👉 point right,👆 point up,👇 point down
✋ hand/stop,✍️ writing,👀 eyes/look,🧠 brain,🫶 heart hands,❤️ heart,💚 green heart,💙 blue heart,💜 purple heart,💔 broken heart
💯 hundred/100,🔥 fire,✨ sparkles,⭐ star,⚡ lightning/zap,💥 boom,🎉 tada/party/congratulations,🎁 gift/present,🎈 balloon,🎂 cake/birthday
🏆 trophy,🥇 gold medal/first,🎯 bullseye/target,🚀 rocket/launch,💡 idea/bulb,🔔 bell,📌 pin,🔗 link,🔒 lock,🔑 key
🔍 search,🛠️ tools,🔧 wrench/fix,🧪 test tube,🐛 bug,💻 laptop,📱 phone,📧 email,📅 calendar,⏰ alarm/clock
⏳ hourglass/wait,📝 memo/note,📚 books,📖 book/read,📦 package,📈 chart up,📉 chart down,💰 money,✅ done/check,❌ wrong/cross
⚠️ warning,🚨 siren/alert,❓ question,❗ exclamation,☀️ sun,🌙 moon,☁️ cloud,🌧️ rain,❄️ snow,🌈 rainbow
🌊 wave of water/sea,🌍 earth/world,🌹 rose/flower,🌱 seedling/plant,🐶 dog,🐱 cat,🐼 panda,🦊 fox,🦄 unicorn,🐢 turtle
🐍 snake/python,🦀 crab/rust,🐧 penguin,☕ coffee,🍷 wine,🍺 beer,🥂 cheers,🍔 burger,🍕 pizza,🍪 cookie
🍫 chocolate,🏠 house/home,✈️ plane/flight,🚆 train,🚗 car,🚲 bike,⚽ football/soccer,🎵 music,🎮 game,📷 camera/photo
`;
